"""What autoscaling gives: policies side by side under the same loads."""
