"""What the integration tests share: the products, processes with an end, native peers, compiled programs."""
