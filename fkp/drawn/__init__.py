"""Faces that are drawn, in Kaggle's format, where Kaggle's are not there."""
