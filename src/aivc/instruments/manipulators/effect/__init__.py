"""Effects of perturbations as one linear mixed model over perturbation × context, in all features.

`rows` are what was measured; `likeness` says what two rows have in common; `components` are the products of these that
may carry an effect from one row to another; `practice` learns how much each carries, on rows hidden as the questions
will be; `posterior` weighs the rows; `effect_v2` is the manipulator.
"""
