"""Views folded from events. Each module is one projection; none reads another's insides, none knows who asks."""
