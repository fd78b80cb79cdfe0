"""Training that can be watched, interrupted and resumed: nolearn's `fit`, and what a long run needs around it."""
