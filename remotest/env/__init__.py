"""What a suite needs on an interpreter, and how it comes to be there."""
