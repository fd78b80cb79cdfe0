"""Kaggle's CSV files, read strictly."""
