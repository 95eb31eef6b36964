"""What a result was made with: code, versions, machine and command."""
