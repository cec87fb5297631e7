package media

import "sync"

// farEnd is what a party was sent and has not yet been compared with what it
// sends. Its methods may be called by any goroutine; nil takes nothing.
//
//	put, hush --> [ lead .......... ] --> take, as much as came from the party
//
// What comes too late is left out, since silence was taken in its place: so a
// stall of the network moves nothing; but what stays late for 200 ms, or early for
// 2 s, is lined up anew.
type farEnd struct {
	mu      sync.Mutex // guards what follows; no other lock is taken under it
	pcm     []int16
	lead    int
	most    int
	slack   int
	look    int
	aligned bool // else the next that comes is given its lead
	owed    int  // silence that was taken for what had not come

	// Since it was last looked at, in samples.
	taken int
	short int // of those, silence for what had not come
	least int // that waited after a take
}

func (f *farEnd) retune(rate int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lead, f.most = samplesIn(farLead, rate), samplesIn(farMost, rate)
	f.slack, f.look = samplesIn(farSlack, rate), samplesIn(farLook, rate)
	f.pcm, f.aligned = f.pcm[:0], false
	f.watch()
}

// put takes what the party is sent.
func (f *farEnd) put(pcm []int16) {
	if f == nil || len(pcm) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.aligned || f.owed > f.most || f.short > f.most {
		f.pcm, f.aligned, f.owed = f.pcm[:0], true, 0
		f.watch()
		f.silence(f.lead)
	}
	late := min(f.owed, len(pcm))
	f.owed -= late
	f.pcm = append(f.pcm, pcm[late:]...)
	f.bound()
}

// hush takes n samples of silence.
func (f *farEnd) hush(n int) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.aligned {
		return
	}
	late := min(f.owed, n)
	f.owed -= late
	f.short -= min(late, f.short)
	f.silence(min(n-late, f.most+1))
	f.bound()
}

func (f *farEnd) silence(n int) {
	for range n {
		f.pcm = append(f.pcm, 0)
	}
}

// bound drops what has waited too long: the party sends nothing.
func (f *farEnd) bound() {
	if len(f.pcm) > f.most {
		f.keep(f.lead)
	}
}

func (f *farEnd) keep(n int) {
	if drop := len(f.pcm) - n; drop > 0 {
		f.pcm = f.pcm[:copy(f.pcm, f.pcm[drop:])]
	}
}

// take fills dst with what is next, or silence.
func (f *farEnd) take(dst []int16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(dst, f.pcm)
	f.keep(len(f.pcm) - n)
	clear(dst[n:])
	f.owed += len(dst) - n
	f.taken, f.short, f.least = f.taken+len(dst), f.short+len(dst)-n, min(f.least, len(f.pcm))
	if f.taken >= f.look {
		f.lineUp()
	}
}

// lineUp leaves out what has come too early all the time.
func (f *farEnd) lineUp() {
	if f.least > f.lead+f.slack {
		f.keep(len(f.pcm) - (f.least - f.lead))
	}
	f.watch()
}

func (f *farEnd) watch() { f.taken, f.short, f.least = 0, 0, f.most }

// catchUp drops what was sent while nothing came.
func (f *farEnd) catchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(f.lead)
}
