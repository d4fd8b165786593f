"""The command line, ``crnn`` or ``python -m crnn_lib``: one file per command."""
