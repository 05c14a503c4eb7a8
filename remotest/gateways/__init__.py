"""Ways to reach an interpreter. The only users of paramiko, execnet, subprocess and socket."""
