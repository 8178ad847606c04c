"""The gRPC door: HTTP/2 connections, calls, and the Open Inference service over the engine."""
