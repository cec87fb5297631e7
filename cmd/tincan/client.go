package main

import "github.com/spf13/cobra"

func clientCommands(*options) []*cobra.Command { return nil }
