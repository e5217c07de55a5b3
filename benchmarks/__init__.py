"""What is claimed about quality, cost and speed, as scripts that anyone can run; `results/` keeps dated figures."""
