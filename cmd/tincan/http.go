package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tincan/store"
)

// httpHandler serves /healthz and /metrics; API and panel come later.
func (s *server) httpHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newMetrics(s))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

// healthz says ok, or 503 and what is wrong.
func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	st := s.store.Status()
	health := map[string]any{"status": "ok", "store": storeWord(st), "uptime_seconds": int(time.Since(s.started).Seconds())}
	code := http.StatusOK
	if st.Down {
		health["status"] = "the store is down: calls go on, what must be written waits"
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(health)
}

// storeWord says in a word how the store does.
func storeWord(st store.Status) string {
	switch {
	case st.Lost > 0 && st.Down:
		return "down, and its spool is full: " + st.Err
	case st.Down:
		return "down: " + st.Err
	}
	return "up"
}

// metrics reads the server's counts when it is scraped.
type metrics struct {
	s    *server
	list []metric
}

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() float64
}

func newMetrics(s *server) *metrics {
	m := &metrics{s: s}
	add := func(kind prometheus.ValueType, name, help string, read func() float64) {
		m.list = append(m.list, metric{prometheus.NewDesc("tincan_"+name, help, nil, nil), kind, read})
	}
	gauge := func(name, help string, read func() float64) { add(prometheus.GaugeValue, name, help, read) }
	counter := func(name, help string, read func() float64) { add(prometheus.CounterValue, name, help, read) }
	gauge("calls", "Calls at present.", func() float64 { now, _ := s.exchange.Counts(); return float64(now) })
	counter("calls_total", "Calls since start.", func() float64 { _, total := s.exchange.Counts(); return float64(total) })
	gauge("registrations", "Devices registered.", func() float64 { return float64(s.bindings.Count()) })
	gauge("trunks_failing", "Trunks that are not registered, or down.", func() float64 { return float64(s.failing()) })
	gauge("rtp_ports_used", "RTP port pairs in use.", func() float64 { used, _ := s.media.Ports(); return float64(used) })
	gauge("rtp_ports", "RTP port pairs of the range.", func() float64 { _, total := s.media.Ports(); return float64(total) })
	gauge("store_up", "1 while the store takes writes.", func() float64 {
		if s.store.Status().Down {
			return 0
		}
		return 1
	})
	gauge("sip_server_transactions", "SIP server transactions alive.", func() float64 { n, _ := s.sip.Transactions(); return float64(n) })
	gauge("sip_client_transactions", "SIP client transactions alive.", func() float64 { _, n := s.sip.Transactions(); return float64(n) })
	gauge("store_waiting", "Writes that wait for the store.", func() float64 {
		st := s.store.Status()
		return float64(st.Queued + st.Spooled)
	})
	counter("store_lost_total", "Writes lost because too many waited.", func() float64 { return float64(s.store.Status().Lost) })
	tr, tot := s.sip.Transport(), s.sip.Totals()
	gauge("sip_connections", "TCP and TLS connections.", func() float64 { return float64(tr.Conns.Load()) })
	counter("sip_received_total", "SIP messages received.", func() float64 { return float64(tr.Received.Load()) })
	counter("sip_sent_total", "SIP messages sent.", func() float64 { return float64(tr.Sent.Load()) })
	counter("sip_malformed_total", "SIP messages that could not be parsed.", func() float64 { return float64(tr.Malformed.Load()) })
	counter("sip_junk_total", "Datagrams that are no SIP, keep-alives among them.", func() float64 { return float64(tr.Junk.Load()) })
	counter("sip_held_back_total", "SIP messages and connections that the gate held back.", func() float64 { return float64(s.gate.Held.Load()) })
	counter("sip_requests_total", "SIP requests handled.", func() float64 { return float64(tot.Requests.Load()) })
	counter("sip_challenged_total", "Requests asked for credentials.", func() float64 { return float64(tot.Challenged.Load()) })
	counter("sip_refused_total", "Requests with wrong credentials.", func() float64 { return float64(tot.Refused.Load()) })
	gauge("sip_subscriptions", "Subscriptions at present.", func() float64 { return float64(s.lamps.Count()) })
	counter("sip_notified_total", "NOTIFYs sent, without repetitions.", func() float64 { return float64(s.lamps.Notified()) })
	iax := s.iax2.Counts()
	gauge("iax2_sessions", "IAX2 calls, registrations and probes alive.", func() float64 { return float64(s.iax2.Sessions()) })
	counter("iax2_sent_total", "IAX2 datagrams sent.", func() float64 { n, _ := s.iax2.Sent(); return float64(n) })
	counter("iax2_sent_batches_total", "System calls that sent them.", func() float64 { _, n := s.iax2.Sent(); return float64(n) })
	counter("iax2_malformed_total", "IAX2 datagrams that could not be parsed.", func() float64 { return float64(iax.Malformed.Load()) })
	counter("iax2_stray_total", "IAX2 frames that belong to no call of their sender.", func() float64 { return float64(iax.Strangers.Load()) })
	counter("iax2_forged_total", "IAX2 frames that were not encrypted as was agreed.", func() float64 { return float64(iax.Forged.Load()) })
	counter("iax2_held_back_total", "IAX2 datagrams that the gate held back.", func() float64 { return float64(iax.Held.Load()) })
	counter("iax2_tokenless_total", "IAX2 calls and registrations refused for want of a call token.", func() float64 { return float64(iax.Tokenless.Load()) })
	gauge("messages_waiting", "Text messages that wait until a device registers.", func() float64 { return float64(s.texts.Waiting()) })
	counter("sip_registered_total", "Registrations accepted.", func() float64 { return float64(tot.Registered.Load()) })
	return m
}

func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, x := range m.list {
		ch <- x.desc
	}
}

func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, x := range m.list {
		ch <- prometheus.MustNewConstMetric(x.desc, x.kind, x.read())
	}
}
