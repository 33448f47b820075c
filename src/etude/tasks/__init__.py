"""What is asked of a trained model: continue, fill in, harmonise, condition."""
