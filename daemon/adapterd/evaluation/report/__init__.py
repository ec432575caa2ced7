"""One page that says why a version was promoted or held: a self-contained HTML file, without scripts."""
