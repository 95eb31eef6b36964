"""From a study file to a plan: variants matched and tuned, costs, and what the seeds can detect."""
