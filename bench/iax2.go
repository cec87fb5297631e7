package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tincan/bench/load"
)

// chainCalls is how many calls go through the chain: the fifty of a busy link between
// two servers.
const chainCalls = 50

// The ways to link the servers of the chain. Each is a subject, so that one run shows
// them beside each other.
var linkings = map[string]string{
	"mini frames":     `encryption = "off"`,
	"trunked":         "encryption = \"off\"\ntrunking = true",
	"encrypted":       `encryption = "required"`,
	"trunked, sealed": "encryption = \"required\"\ntrunking = true",
}

// iax2Experiment: calls from SIP through three servers, by IAX2 between them, back to
// SIP. The one in the middle relays IAX2 to IAX2, the others IAX2 to SIP.
//
//	generator ── SIP ── A ══ IAX2 ══ M ══ IAX2 ══ B ── SIP ── generator
func iax2Experiment() experiment {
	return experiment{
		key:      "iax2",
		about:    fmt.Sprintf("%d standing calls from SIP by IAX2 through a server to a third and back to SIP, 50 packets a second each way", chainCalls),
		subjects: []subject{{name: "mini frames"}, {name: "trunked"}, {name: "encrypted"}, {name: "trunked, sealed"}},
		measure:  measureChain,
		figures: []figure{
			{key: "middle", name: "CPU a frame, IAX2 to IAX2", unit: "us"},
			{key: "ends", name: "CPU a packet, SIP to IAX2", unit: "us"},
			{key: "wire", name: "datagrams a second and way", unit: ""},
			{key: "batch", name: "datagrams a system call", unit: ""},
			{key: "call", name: "CPU a call, IAX2 to IAX2", unit: "ms"},
			{key: "callends", name: "CPU a call, SIP to IAX2", unit: "ms"},
			{key: "p99", name: "delay, 99 % below", unit: "us"},
			{key: "lost", name: "packets lost", unit: "%"},
		},
	}
}

// chain is three servers.
type chain struct{ a, m, b *running }

func (c *chain) stop() {
	for _, r := range []*running{c.a, c.m, c.b} {
		if r != nil {
			r.Stop()
		}
	}
}

// startChain links three servers in a way.
func startChain(l *lab, linking, own string) (c *chain, err error) {
	c = &chain{}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	var at [3]string
	for i := range at {
		if at[i], err = freeAddress(); err != nil {
			return c, err
		}
	}
	in := func(name, from string) string {
		return fmt.Sprintf("[[trunk]]\nname = %[1]q\nprotocol = \"iax2\"\naddress = %[3]q\naccept = \"digest\"\nusername = %[1]q\nsecret = \"between the servers\"\n%[2]s\n", name, linking, from)
	}
	out := func(name, to, as string) string {
		return fmt.Sprintf("[[trunk]]\nname = %q\nprotocol = \"iax2\"\naddress = %q\nusername = %q\nsecret = \"between the servers\"\n%s\n", name, to, as, linking)
	}
	phones := fmt.Sprintf("[[trunk]]\nname = \"load\"\naddress = %q\nmatch = [\"127.0.0.1\"]\n", own)
	route := func(from, to string) string {
		return fmt.Sprintf("[[route]]\nfrom = \"trunk:%s\"\nnumber = \"9000\"\nto = \"trunk:%s/9000\"\n", from, to)
	}
	for i, server := range []struct {
		into    **running
		objects string
	}{
		{&c.b, in("m", at[1]) + phones + route("m", "load")},
		{&c.m, in("a", at[2]) + out("b", at[0], "m") + route("a", "b")},
		{&c.a, out("m", at[1], "a") + phones + route("load", "m")},
	} {
		*server.into, err = startTincan(l, setting{objects: server.objects, iax2: at[i], calls: chainCalls, ports: (i + 1) * 10_000})
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func measureChain(l *lab, s subject) (values, error) {
	own, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c, err := startChain(l, linkings[s.name], own)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	idle, err := c.usage()
	if err != nil {
		return nil, err
	}
	calls, hangUp, err := stand(c.a, own, chainCalls, load.PCMU)
	if err != nil {
		return nil, fmt.Errorf("%w; the middle said last:\n%s", err, c.m.Tail())
	}
	before, err := c.usage()
	if err != nil {
		hangUp()
		return nil, err
	}
	began := time.Now()
	stream, err := load.Stream(context.Background(), calls, l.media)
	passed := time.Since(began)
	if err == nil && stream.Received == 0 {
		err = fmt.Errorf("of %d packets none arrived; the middle said last:\n%s", stream.Sent, c.m.Tail())
	}
	if err != nil {
		hangUp()
		return nil, err
	}
	after, err := c.usage()
	hangUp()
	if err != nil {
		return nil, err
	}
	time.Sleep(idleFor) // for the goodbyes
	over, err := c.usage()
	if err != nil {
		return nil, err
	}
	n := float64(stream.Received)
	return values{
		"middle":   microseconds(after.middle-before.middle) / n,
		"ends":     microseconds(after.ends-before.ends) / n / 2,
		"wire":     (after.sent - before.sent) / passed.Seconds() / 2,
		"batch":    (after.sent - before.sent) / (after.batches - before.batches),
		"call":     microseconds(before.middle-idle.middle+over.middle-after.middle) / 1000 / chainCalls,
		"callends": microseconds(before.ends-idle.ends+over.ends-after.ends) / 1000 / chainCalls / 2,
		"p99":      microseconds(stream.Percentile(0.99)),
		"lost":     100 * float64(stream.Sent-stream.Received) / float64(stream.Sent),
	}, nil
}

// usage is what the chain has used and sent so far.
type usage struct {
	middle, ends  time.Duration
	sent, batches float64 // by the one in the middle
}

func (c *chain) usage() (u usage, err error) {
	for _, r := range []struct {
		of   *running
		into *time.Duration
	}{{c.m, &u.middle}, {c.a, &u.ends}, {c.b, &u.ends}} {
		spent, err := r.of.CPU()
		if err != nil {
			return u, err
		}
		*r.into += spent
	}
	all, err := c.m.metrics()
	u.sent, u.batches = all["tincan_iax2_sent_total"], all["tincan_iax2_sent_batches_total"]
	return u, err
}

// metrics reads the values without labels that a server of ours shows.
func (r *running) metrics() (map[string]float64, error) {
	response, err := http.Get("http://" + r.http + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	all := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			all[name] = v
		}
	}
	return all, lines.Err()
}
