"""The multicellular scale: what surrounds this cell, and what niche is that?"""
