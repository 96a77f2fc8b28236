"""What the web tools share with nobody else: pages as text, search services."""
