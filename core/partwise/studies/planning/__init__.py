"""From a study file to a plan: variants matched and tuned, costs, and how long it takes."""
