package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/secret"
	"tincan/space"
	"tincan/store/storetest"
)

const house = `[[extension]]
number = "101"
name = "Ada"
secret = "s3cret-one"

[[extension]]
number = "102"
secret = "s3cret-two"

[[trunk]]
name = "load"
address = "127.0.0.1:6070"
match = ["127.0.0.1"]

[[route]]
from = "trunk:load"
number = "9000"
to = "app:echo"
`

const houseDifference = `+ extension 101
    number = "101"
    name = "Ada"
    secret: set
+ extension 102
    number = "102"
    secret: set
+ trunk load
    name = "load"
    address = "127.0.0.1:6070"
    match = ["127.0.0.1"]
+ route trunk:load 9000
    from = "trunk:load"
    number = "9000"
    to = "app:echo"
2 extensions added, 1 trunk added, 1 route added`

func TestApplyAndExport(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		file := p.write("space.toml", house)
		check := func(got, want string) {
			t.Helper()
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		}
		check(p.run("apply", file, "--dry-run"), houseDifference+"\nnothing is changed yet: this was a dry run\n")
		check(p.run("export"), "")
		check(p.run("apply", file), houseDifference+": version 1\n")
		check(p.run("apply", file), "nothing changes\n")
		check(p.run("export", "--reveal"), house)
		sealed := p.run("export")
		if strings.Contains(sealed, "s3cret") || strings.Count(sealed, secret.Prefix) != 2 {
			t.Errorf("sealed export:\n%s", sealed)
		}
		check(p.run("apply", p.write("sealed.toml", sealed)), "nothing changes\n")
		if got := decode[exported](p, "export").Document; got != sealed {
			t.Error(cmp.Diff(sealed, got))
		}
		if p.server != nil && len(p.server.directory.Snapshot().Extensions()) != 2 {
			t.Error("the server did not take it up")
		}
	})
}

func TestApplyFromStandardInput(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		if _, err := p.try(house, "apply", "-"); err != nil {
			t.Fatal(err)
		}
		_, err := p.try("x = 1\n", "apply", "-")
		if err == nil || !strings.HasPrefix(err.Error(), `standard input:1:1: key "x": is not known`) {
			t.Error(err)
		}
	})
}

func TestFaultsComeWhole(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		file := p.write("space.toml", "[[extension]]\nnumber = \"101\"\nnmae = \"x\"\n\n[[route]]\nnumber = \"9\"\nto = \"extension:110\"\n")
		want := "tincan: this must be put right first:\n" +
			file + `:3:1: key "extension[0].nmae": is not known; write "name" instead` + "\n" +
			file + `:7:1: key "route[0].to": there is no extension "110"; write "extension:101" instead, or add it as [[extension]]` + "\n"
		for _, args := range [][]string{{"apply", file}, {"apply", file, "--dry-run"}} {
			_, err := p.try("", args...)
			var said bytes.Buffer
			if code := explain(&said, err); code != 1 {
				t.Errorf("code %d", code)
			}
			if d := cmp.Diff(want, said.String()); d != "" {
				t.Error(d)
			}
		}
		if got := p.run("history"); got != "nothing was changed yet\n" {
			t.Error(got)
		}
	})
}

func TestHistoryAndRevert(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		p.apply(house)
		before := p.run("export")
		p.apply("")
		if got := p.run("revert", "1"); !strings.HasSuffix(got, "1 route added: version 3\n") {
			t.Error(got)
		}
		if d := cmp.Diff(before, p.run("export")); d != "" {
			t.Error(d)
		}
		var numbers []int64
		for _, v := range decode[[]space.Version](p, "history") {
			numbers = append(numbers, v.Number)
			if v.Who != who() {
				t.Errorf("version %d by %q", v.Number, v.Who)
			}
		}
		if d := cmp.Diff([]int64{3, 2, 1}, numbers); d != "" {
			t.Error(d)
		}
		if got := p.run("history"); !strings.Contains(got, "2 extensions removed, 1 trunk removed, 1 route removed") {
			t.Error(got)
		}
		for n, want := range map[string]string{
			"9": "there is no version 9; see tincan history",
			"x": `"x" is no number of a version; see tincan history`,
			"":  "VERSION is missing; write: tincan revert VERSION",
		} {
			if got := p.refused("revert", n); got != want {
				t.Error(got)
			}
		}
	})
}

// TestMove: an export makes the same server elsewhere, with the same key only.
func TestMove(t *testing.T) {
	eitherWay(t, func(t *testing.T, from *place) {
		from.apply(house)
		exported := from.run("export")
		key, err := os.ReadFile(filepath.Join(from.config().Data, secret.FileName))
		if err != nil {
			t.Fatal(err)
		}

		to := someFolder(t)
		if err := os.Mkdir(to.config().Data, 0o700); err != nil {
			t.Fatal(err)
		}
		to.write("data/"+secret.FileName, string(key))
		if from.server != nil {
			to.serve()
			to.apply("") // the starters of a first start, if there are any
		}
		to.apply(exported)
		if d := cmp.Diff(exported, to.run("export")); d != "" {
			t.Error(d)
		}
		if got := to.run("extension", "secret", "101"); got != "s3cret-one\n" {
			t.Errorf("secret %q", got)
		}

		other := someFolder(t)
		if from.server != nil {
			other.serve()
		}
		said := other.refused("apply", other.write("space.toml", exported))
		for _, want := range []string{`the secret of extension "101" is sealed`, `the secret of extension "102" is sealed`, "sealed with another key"} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not in:\n%s", want, said)
			}
		}
		if got := other.run("export"); got != "" {
			t.Errorf("something was applied:\n%s", got)
		}
	})
}

// TestLookingLeavesNoTrace: what changes nothing makes no data folder.
func TestLookingLeavesNoTrace(t *testing.T) {
	p := someFolder(t)
	file := p.write("space.toml", house)
	for _, args := range [][]string{
		{"export"}, {"history"}, {"records"}, {"extension", "list"}, {"apply", file, "--dry-run"}, {"doctor"},
	} {
		p.run(args...)
	}
	if _, err := os.Stat(p.config().Data); !os.IsNotExist(err) {
		t.Errorf("there is a data folder: %v", err)
	}
}

// TestUnseenIsNotEmpty: what cannot be looked at is no empty server.
func TestUnseenIsNotEmpty(t *testing.T) {
	p := someFolder(t)
	p.write("data", "a file where the folder should be")
	for _, args := range [][]string{{"export"}, {"history"}, {"extension", "list"}, {"extension", "add", "101"}} {
		if got := p.refused(args...); !strings.Contains(got, p.config().Data) {
			t.Errorf("%v: %s", args, got)
		}
	}
	p.finds("store", failed, "not a directory")
}

// TestCommandsAtOnce: commands on the store alone wait for each other.
func TestCommandsAtOnce(t *testing.T) {
	p := someFolder(t)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if out, err := p.try("", "extension", "add", strconv.Itoa(200+i)); err != nil {
				t.Errorf("%v %s", err, out)
			}
		})
	}
	all.Wait()
	if n := len(decode[[]extension](p, "extension", "list")); n != 6 {
		t.Errorf("%d extensions", n)
	}
}

func TestAloneOnPostgres(t *testing.T) {
	dsn := storetest.Start(t).Database(t)
	p := someFolder(t, fmt.Sprintf("database = %q", dsn))
	p.apply(house)
	if d := cmp.Diff(house, p.run("export", "--reveal")); d != "" {
		t.Error(d)
	}
	p.finds("store", fine, "PostgreSQL answers")
}
