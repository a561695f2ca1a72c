package main

import (
	"fmt"
	"runtime/debug"
)

// versionOf says which version a build is. Go writes it into the program: the module's version, and the commit of the
// folder in which it was built.
func versionOf(build *debug.BuildInfo, known bool) string {
	if !known {
		return "hatchery, of an unknown version"
	}
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	version, commit := build.Main.Version, settings["vcs.revision"]
	if version == "" {
		version = "(devel)"
	}
	switch {
	case commit == "":
		commit = "commit unknown"
	case settings["vcs.modified"] == "true":
		commit = "commit " + commit + " with changes"
	default:
		commit = "commit " + commit
	}
	return fmt.Sprintf("hatchery %s (%s, %s %s/%s)", version, commit, build.GoVersion, settings["GOOS"],
		settings["GOARCH"])
}
