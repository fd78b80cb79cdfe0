"""Nets look at faces: level 1, specialists, photographs."""
