"""What several test files share: the naive fold, event generators, comparisons. Holds no tests of its own."""
