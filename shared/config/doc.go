// Package config reads the settings of a deployment from environment variables.
// The table in settings.go is the only list of them: docs/settings.md is made
// from it, and nothing else in the program looks at the environment.
package config
