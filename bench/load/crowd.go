package load

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/icholy/digest"
)

// Crowd is phones that register, each from a socket of its own, and do nothing
// else.
type Crowd struct{ conns []net.Conn }

// crowdPatience bounds the wait for one answer.
const crowdPatience = 10 * time.Second

// Register registers a phone for each account at server (host:port) over "udp" or
// "tls". The phones stay until Close.
func Register(network, server, secret string, accounts []string) (*Crowd, error) {
	c := &Crowd{}
	for _, account := range accounts {
		conn, err := dial(network, server)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.conns = append(c.conns, conn)
		if err := register(conn, network, server, account, secret); err != nil {
			return nil, errors.Join(fmt.Errorf("phone %s: %w", account, err), c.Close())
		}
	}
	return c, nil
}

// Close ends all phones without a word.
func (c *Crowd) Close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

func dial(network, server string) (net.Conn, error) {
	if network == "udp" {
		return net.Dial("udp4", server)
	}
	// The server's certificate is its own; who it is is not what is measured.
	return tls.Dial("tcp4", server, &tls.Config{InsecureSkipVerify: true})
}

// register sends REGISTER, and again with the proof that is asked for.
func register(conn net.Conn, network, server, account, secret string) error {
	in := bufio.NewReaderSize(conn, 8192)
	uri, proof := "sip:"+server, ""
	for seq := 1; seq <= 2; seq++ {
		_, err := fmt.Fprintf(conn, "REGISTER %[1]s SIP/2.0\r\nVia: SIP/2.0/%[2]s %[3]s;branch=z9hG4bK%[4]s-%[5]d;rport\r\n"+
			"From: <sip:%[4]s@%[6]s>;tag=c\r\nTo: <sip:%[4]s@%[6]s>\r\nCall-ID: %[4]s-crowd\r\nCSeq: %[5]d REGISTER\r\n"+
			"Contact: <sip:%[4]s@%[3]s;transport=%[7]s>\r\nMax-Forwards: 70\r\nExpires: 3600\r\nUser-Agent: crowd\r\n%[8]sContent-Length: 0\r\n\r\n",
			uri, strings.ToUpper(network), conn.LocalAddr(), account, seq, server, network, proof)
		if err != nil {
			return err
		}
		status, header, err := answer(conn, in)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(status, "SIP/2.0 200 "):
			return nil
		case !strings.HasPrefix(status, "SIP/2.0 401 "):
			return fmt.Errorf("answered %s", status)
		}
		challenge, err := digest.ParseChallenge(header.Get("WWW-Authenticate"))
		if err != nil {
			return err
		}
		made, err := digest.Digest(challenge, digest.Options{Method: "REGISTER", URI: uri, Username: account, Password: secret, Count: 1})
		if err != nil {
			return err
		}
		proof = "Authorization: " + made.String() + "\r\n"
	}
	return errors.New("challenged twice")
}

// answer reads the head of a response; those to REGISTER have no body.
func answer(conn net.Conn, in *bufio.Reader) (status string, header textproto.MIMEHeader, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(crowdPatience)); err != nil {
		return "", nil, err
	}
	r := textproto.NewReader(in)
	if status, err = r.ReadLine(); err != nil {
		return "", nil, err
	}
	header, err = r.ReadMIMEHeader()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return status, header, err
}
