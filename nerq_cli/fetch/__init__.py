"""The one way to the network: requests, retries, deadlines, circuit breakers."""
