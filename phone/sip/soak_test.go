package sip_test

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tincan/phone/directory"
	"tincan/phone/sip"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// The soak: how many phones, for how long, and how often each of them calls.
const (
	soakSeed   = 2543
	soakPhones = 200
	soakPause  = 3 * time.Hour    // between a phone's calls, up to
	soakLease  = 30 * time.Minute // of registrations and subscriptions
	soakTimer  = 10 * time.Minute // of sessions

	soakStreams  = 3               // of ten phones speak TCP, one of these over TLS
	soakPatience = 2 * time.Minute // with a phone that rings
	soakOff      = 5 * time.Second // while the server is started again
)

// soakRest is how long after a day everything has run out: a lease, a session
// timer, an hour of nonces, and room.
const soakRest = 3 * time.Hour

// census is what a server holds.
type census struct {
	Legs, Guests, Merges, Nonces, Calls, Standing, Ports, Servers, Clients, Subscriptions, Bindings, Goroutines int
}

func count(t *testing.T, s *siptest.Server) (c census) {
	t.Helper()
	synctest.Wait()
	c.Legs, c.Guests, c.Merges, c.Nonces = s.SIP.Kept()
	c.Calls, _ = s.Calls.Counts()
	c.Ports, _ = s.Media.Ports()
	c.Servers, c.Clients = s.SIP.Transactions()
	c.Subscriptions, c.Bindings, c.Goroutines = s.Watch.Count(), s.Bindings.Count(), runtime.NumGoroutine()
	standing, err := s.Ledger.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Standing = len(standing)
	return c
}

// over names what is more than most allows.
func (c census) over(most census) (all []string) {
	for _, x := range []struct {
		name     string
		is, most int
	}{
		{"legs", c.Legs, most.Legs},
		{"guests", c.Guests, most.Guests},
		{"merges", c.Merges, most.Merges},
		{"nonces", c.Nonces, most.Nonces},
		{"calls", c.Calls, most.Calls},
		{"standing calls in the store", c.Standing, most.Standing},
		{"ports", c.Ports, most.Ports},
		{"server transactions", c.Servers, most.Servers},
		{"client transactions", c.Clients, most.Clients},
		{"subscriptions", c.Subscriptions, most.Subscriptions},
		{"bindings", c.Bindings, most.Bindings},
		{"goroutines", c.Goroutines, most.Goroutines},
	} {
		if x.is > x.most {
			all = append(all, fmt.Sprintf("%d %s, at most %d", x.is, x.name, x.most))
		}
	}
	return all
}

// soakMost bounds what a server may hold at any time of the day, idle being its
// goroutines without phones. Of phones that are in no more than one call each, one
// in two calls another at most; a call has two legs, each with a port. Some boot or
// lose a subscription within a lease and leave an old one behind; each has two
// goroutines of its own, and one that speaks TCP three more, here and there.
func soakMost(idle int) census {
	return census{
		Legs: soakPhones, Merges: soakPhones / 2, Nonces: 3 * soakPhones, Calls: soakPhones / 2, Standing: soakPhones / 2,
		Ports: soakPhones, Servers: soakPhones, Clients: soakPhones,
		Subscriptions: soakPhones * 3 / 2, Bindings: soakPhones * 3 / 2, Goroutines: idle + soakPhones*5/2 + 3*soakPhones*soakStreams/10,
	}
}

// A day of many phones that register, call, move, reboot and vanish over a network
// that loses every twentieth datagram: the server never holds more than they need,
// and nothing once they are gone.
func TestADayOfManyPhones(t *testing.T) {
	if testing.Short() {
		t.Skip("a day of 200 phones takes some time")
	}
	t.Logf("seed %d", soakSeed)
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		server, trust := soakCertificate(t)
		s := siptest.Start(t, memory.New(soakSeed, memory.Weather{Loss: 0.05, Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}), siptest.Options{
			Extensions: soakExtensions(), TLS: server,
			Settings: &sip.Settings{RegisterMin: time.Minute, RegisterMax: soakLease, Session: soakTimer, Ping: 10 * time.Minute},
		})
		synctest.Wait()
		idle := runtime.NumGoroutine()
		soakHours(t, s, idle, trust)
		time.Sleep(soakRest)
		left := count(t, s)
		for _, what := range left.over(census{Goroutines: idle}) {
			t.Error("after everything ran out:", what)
		}
		s.Close()
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines before, %d after", before, n)
		}
	})
}

// soakHours lets the phones live for their day, and counts every hour.
func soakHours(t *testing.T, s *siptest.Server, idle int, trust *tls.Config) {
	t.Helper()
	var deeds deeds
	var phones sync.WaitGroup
	end := time.Now().Add(soakDay)
	for i := range soakPhones {
		p := newHandset(t, s, &deeds, i, trust)
		phones.Go(func() { p.live(end) })
	}
	most := soakMost(idle)
	for hour := range int(soakDay / time.Hour) {
		time.Sleep(time.Hour - time.Minute) // a little before the last one ends
		c := count(t, s)
		t.Logf("hour %d: %+v", hour, c)
		for _, what := range c.over(most) {
			t.Errorf("hour %d: %s", hour, what)
		}
		time.Sleep(time.Minute)
		if hour+1 == soakRestart {
			soakRestarts(t, s)
		}
	}
	phones.Wait()
	t.Logf("%d datagrams, %d lost; %s", s.Net.Sent(), s.Net.Lost(), deeds.String())
	deeds.check(t)
}

// soakRestarts starts the server again in the middle of calls: none of those that
// stand is lost.
func soakRestarts(t *testing.T, s *siptest.Server) {
	t.Helper()
	before := count(t, s)
	s.Restart(soakOff)
	after := count(t, s)
	t.Logf("restart: %+v, then %+v", before, after)
	if before.Standing == 0 || after.Calls < before.Standing {
		t.Errorf("of %d calls that stood %d were taken up", before.Standing, after.Calls)
	}
}

func soakExtensions() (all []directory.ExtensionForm) {
	for i := range soakPhones {
		all = append(all, directory.ExtensionForm{Number: soakNumber(i), Secret: "pw" + soakNumber(i)})
	}
	return all
}

func soakNumber(i int) string { return fmt.Sprint(1000 + i) }

// deed is something that phones do.
type deed int

const (
	registered deed = iota
	subscribed
	called
	answered
	wasBusy
	rangOut
	gaveUp
	callerHungUp
	calleeHungUp
	moved
	transferred
	reconnected
	rebooted
	dropped
	unheard // its BYE
	lastDeed
)

var deedNames = [lastDeed]string{
	"registered", "subscribed", "called", "answered", "busy", "rang out", "gave up", "caller hung up", "callee hung up",
	"moved", "transferred", "connected again", "rebooted", "dropped off", "bid farewell in vain",
}

// unheardShare of the answered calls, at most, end without one of the phones being
// told: it moves just when the other hangs up, or both hang up at once. A server
// that does not find phones that moved has one in seven.
const unheardShare = 50

// soakSpeaks gives what a phone speaks.
func soakSpeaks(nth int) transport.Protocol {
	switch nth % 10 {
	case 0:
		return transport.TLS
	case soakStreams - 2, soakStreams - 1:
		return transport.TCP
	}
	return transport.UDP
}

// deeds counts what phones did. Safe for any goroutine.
type deeds struct {
	mu sync.Mutex // guards n
	n  [lastDeed]int
}

func (d *deeds) did(what deed) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n[what]++
}

func (d *deeds) String() (text string) {
	for i, n := range d.n {
		text += fmt.Sprintf("%d %s, ", n, deedNames[i])
	}
	return text
}

// check holds that the day was one.
func (d *deeds) check(t *testing.T) {
	t.Helper()
	for i, n := range d.n[:unheard] {
		if n < leastDeeds {
			t.Errorf("the phones %s only %d times", deedNames[i], n)
		}
	}
	if n := d.n[unheard]; n > d.n[answered]/unheardShare {
		t.Errorf("of %d calls %d had ended before who wanted to end them knew", d.n[answered], n)
	}
}

// dice are a phone's chances. Safe for any goroutine.
type dice struct {
	mu sync.Mutex // guards r
	r  *rand.Rand
}

// between gives a time from a to b.
func (d *dice) between(a, b time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return a + time.Duration(d.r.Int64N(int64(b-a)))
}

// roll gives a number below n.
func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}
