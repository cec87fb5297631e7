package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"tincan/phone/call"
	"tincan/phone/call/record"
)

func TestNoServer(t *testing.T) {
	p := someFolder(t)
	want := "no server runs on the data folder " + p.config().Data + "; start it: tincan serve --config " + p.file("tincan.toml") +
		", or name its configuration with --config"
	for _, args := range [][]string{{"status"}, {"calls"}, {"calls", "hangup", "x"}, {"registrations"}, {"trunks"}, {"trace"}} {
		if got := p.refused(args...); got != want {
			t.Errorf("%v: %s\nwant %s", args, got, want)
		}
	}
	p.apply(house) // now there is a data folder, without a server
	if got := p.refused("status"); got != want {
		t.Error(got)
	}
}

// await polls a command until what it gives is good.
func await[T any](p *place, good func(T) bool, args ...string) T {
	p.t.Helper()
	deadline, ticker := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer ticker.Stop()
	for {
		v := decode[T](p, args...)
		if good(v) {
			return v
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			p.t.Fatalf("tincan %s stays %+v", strings.Join(args, " "), v)
		}
	}
}

func TestCallAndItsRecord(t *testing.T) {
	p := served(t)
	p.apply(house)
	ph := newPhone(t, p.udp(), "first-call@phone")
	ph.call()
	calls := await(p, func(list []call.Snapshot) bool { return len(list) == 1 && list[0].State == "answered" }, "calls")
	id := calls[0].ID
	for _, want := range []string{`\n` + id + ` +answered +trunk:load +app:echo `, `\n +leg +trunk:load +udp:` + ph.addr() + ` +.*pcma`} {
		if got := p.run("calls"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if got := p.run("status"); !strings.Contains(got, "calls          1 now, 1 since the start\n") || !strings.Contains(got, "2 extensions, 1 trunk\n") {
		t.Error(got)
	}
	if st := decode[status](p, "status"); st.Calls != 1 || st.PortsUsed == 0 || len(st.Sockets) != 6 {
		t.Errorf("status %+v", st)
	}
	if got := p.refused("calls", "hangup", "nope"); got != "there is no call nope; see tincan calls" {
		t.Error(got)
	}
	if got := p.run("calls", "hangup", id); got != "call "+id+" is ended\n" {
		t.Error(got)
	}
	ph.answerBye()
	await(p, func(list []call.Snapshot) bool { return len(list) == 0 }, "calls")
	if got := p.run("calls"); got != "no calls\n" {
		t.Error(got)
	}
	records := await(p, func(list []record.Record) bool { return len(list) == 1 }, "records")
	if r := records[0]; r.ID != id || r.EndedBy != "server" || r.From != "trunk:load" {
		t.Errorf("record %+v", r)
	}
	if err := p.server.close(); err != nil {
		t.Fatal(err)
	}
	testRecordsAlone(p, id)
}

// testRecordsAlone: records are read where no server runs, too.
func testRecordsAlone(p *place, id string) {
	p.t.Helper()
	if got := p.run("records", "--party", "trunk:load"); !strings.Contains(got, id) || !strings.Contains(got, "pcma") {
		p.t.Error(got)
	}
	if got := p.run("records", "--party", "101"); got != "no calls were recorded\n" {
		p.t.Error(got)
	}
	if got := p.refused("records", "--limit", "0"); got != `a limit of "0" is out of range; write --limit 1 to 1000` {
		p.t.Error(got)
	}
}

func TestRegistrations(t *testing.T) {
	p := served(t)
	p.apply(house)
	if got := p.run("registrations"); got != "no device is registered\n" {
		t.Error(got)
	}
	register(t, p, "101", "Evil\x1b[2J phone")
	list := decode[[]registration](p, "registrations")
	if len(list) != 1 || list[0].Extension != "101" || list[0].Transport != "udp" {
		t.Errorf("%+v", list)
	}
	got := p.run("registrations")
	if !strings.Contains(got, "Evil.[2J phone") || strings.Contains(got, "\x1b") {
		t.Errorf("what a stranger wrote reaches the terminal: %q", got)
	}
	if got := p.run("extension", "list"); !regexp.MustCompile(`101 +Ada +1 +sip +all`).MatchString(got) {
		t.Error(got)
	}
}
