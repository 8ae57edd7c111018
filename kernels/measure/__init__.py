"""What is measured and how: the only timer, the only definition of an error, the only cases."""
