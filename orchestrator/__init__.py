"""From a recipe to an answer: the graph, its scheduler, the console, the SDK and the command line."""
