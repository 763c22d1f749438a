"""UR → Prediction[Measurement]: what would we see?"""
