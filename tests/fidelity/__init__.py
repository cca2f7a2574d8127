"""How much of a customer's history reaches the next agent: journeys, a player, a measure."""
