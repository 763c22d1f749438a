"""UR, Perturbation → Prediction[UR]: what would become of it?"""
