"""From one machine to many: what a viewer costs, and what so many need."""
