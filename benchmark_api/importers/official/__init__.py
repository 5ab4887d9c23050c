"""Official NATS-Bench archives: import and export."""
