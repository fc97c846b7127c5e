"""The library behind *Looking Inside Neural Networks*: one module a chapter, and what the chapters share."""
