"""What is known of genes and drugs before a screen: annotations, gene sets and tables."""
