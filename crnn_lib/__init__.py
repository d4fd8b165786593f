"""Reading lines of handwriting with a CRNN and CTC."""

__version__ = "0.1.0"
