"""The only door to Ray: what a worker runs, how the engine answers Tune, and the Tuner itself."""
