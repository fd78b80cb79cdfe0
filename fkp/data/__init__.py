"""Where faces come from: Kaggle's CSV files and a cache beside them, or a generator that draws some."""
