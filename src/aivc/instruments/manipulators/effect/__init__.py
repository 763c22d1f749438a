"""Effects of perturbations as one linear mixed model over perturbation × context, in all features.

`rows` are what was measured; `likeness` says what two rows have in common, `agents` and `doses` what two perturbations
have; `components` are the products of these that may carry an effect from one row to another; `hiding` and `practice`
learn how much each carries, on rows hidden as the questions will be; `posterior` weighs the rows, stratum by stratum
(`strata`), on the `grid` where they are many; `columns` and `pairs` complete `tables` of few readings; `answers` says
which of these a prediction comes from, `effect_v2` is the manipulator, and `saved` is what it is on disk.
"""
