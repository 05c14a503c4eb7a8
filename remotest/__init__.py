"""remotest runs a pytest suite on other machines and other interpreters as if they were local."""
