"""Other clients beside ours: their scripts, the servers that answer them, and what each leaves behind."""
