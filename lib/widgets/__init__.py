"""The book's living figures: alive in a notebook with a kernel, and on the built page without one."""
