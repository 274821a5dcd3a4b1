"""Between measured values and what a network sees."""
