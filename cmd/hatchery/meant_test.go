package main

import (
	"runtime/debug"
	"testing"
)

func TestTheClosestNamesAreMeant(t *testing.T) {
	names := []string{"dev", "check", "recheck", "reject", "reconcile", "show", "ls"}
	for typed, want := range map[string]string{
		"chek": ". Did you mean --check?", "chcek": ". Did you mean --check?", "dve": ". Did you mean --dev?",
		"shwo": ". Did you mean --show?", "reconsile": ". Did you mean --reconcile?", "recject": ". Did you mean --reject?",
		"rechect": ". Did you mean --recheck?", "rejeck": ". Did you mean --reject?",
		"receck": ". Did you mean --recheck?",
		"rehect": ". Did you mean --reject?",
		"sl":     "", "": "", "migrate": "", "deploy": "", "checkcheck": "", "größe": "", "a": "",
	} {
		if got := didYouMean(typed, "--", names); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if got := didYouMean("cat", "", []string{"bat", "hat", "dog"}); got != ". Did you mean bat or hat?" {
		t.Errorf("of two that are as close: %q", got)
	}
}

func TestTheVersionIsThatOfTheBuild(t *testing.T) {
	build := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}}
	settings := func(more ...string) {
		build.Settings = []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}}
		for i := 0; i < len(more); i += 2 {
			build.Settings = append(build.Settings, debug.BuildSetting{Key: more[i], Value: more[i+1]})
		}
	}
	for _, c := range []struct {
		more []string
		want string
	}{
		{nil, "hatchery v1.2.3 (commit unknown, go1.26.8 linux/arm64)"},
		{[]string{"vcs.revision", "551c3ed", "vcs.modified", "false"},
			"hatchery v1.2.3 (commit 551c3ed, go1.26.8 linux/arm64)"},
		{[]string{"vcs.revision", "551c3ed", "vcs.modified", "true"},
			"hatchery v1.2.3 (commit 551c3ed with changes, go1.26.8 linux/arm64)"},
	} {
		settings(c.more...)
		if got := versionOf(build, true); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	build.Main.Version = ""
	settings()
	if got, want := versionOf(build, true), "hatchery (devel) (commit unknown, go1.26.8 linux/arm64)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := versionOf(nil, false), "hatchery, of an unknown version"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
