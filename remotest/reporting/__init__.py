"""What the user sees: terminal lines, the matrix, JUnit files."""
