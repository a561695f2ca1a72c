package main

import (
	"fmt"
	"runtime/debug"
)

// versionOf says which version a build is. Go writes it into the program: the module's version, and the revision of the
// folder in which it was built.
func versionOf(build *debug.BuildInfo, known bool) string {
	if !known {
		return "hatchery, of an unknown version"
	}
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	version, revision := build.Main.Version, settings["vcs.revision"]
	if version == "" {
		version = "(devel)"
	}
	switch {
	case revision == "":
		revision = "revision unknown"
	case settings["vcs.modified"] == "true":
		revision = "revision " + revision + " with changes"
	default:
		revision = "revision " + revision
	}
	return fmt.Sprintf("hatchery %s (%s, %s %s/%s)", version, revision, build.GoVersion, settings["GOOS"],
		settings["GOARCH"])
}
