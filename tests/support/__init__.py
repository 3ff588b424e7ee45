"""Small models, data, specs and independent references that several tests use."""
