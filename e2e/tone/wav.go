package tone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// A WAV file (RIFF, Microsoft 1991) is chunks of a four-letter name, a length
// and that many bytes; "fmt " tells the form of the samples in "data":
//
//	"RIFF" len "WAVE" | "fmt " 16 tag channels rate bytes/s align bits | "data" len samples...
const (
	riffHeaderBytes  = 12
	chunkHeaderBytes = 8
	formatBytes      = 16
	pcmTag           = 1
	extensibleTag    = 0xFFFE // says "see the end of fmt"; 16 bits mean PCM all the same
	sampleBytes      = 2
	fullScale        = 32768
)

var errShort = errors.New("no sound yet: the file ends before its data")

// Encode returns s as a mono 16-bit WAV file.
func Encode(s Sound) []byte {
	size := len(s.Samples) * sampleBytes
	le := binary.LittleEndian
	b := append([]byte{}, "RIFF"...)
	b = le.AppendUint32(b, uint32(riffHeaderBytes-chunkHeaderBytes+2*chunkHeaderBytes+formatBytes+size))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, formatBytes)
	b = le.AppendUint16(b, pcmTag)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, uint32(s.Rate))
	b = le.AppendUint32(b, uint32(s.Rate*sampleBytes))
	b = le.AppendUint16(b, sampleBytes)
	b = le.AppendUint16(b, 8*sampleBytes)
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(size))
	for _, x := range s.Samples {
		x = math.Max(-1, math.Min(x, 1-1.0/fullScale))
		b = le.AppendUint16(b, uint16(int16(math.Round(x*fullScale))))
	}
	return b
}

// Decode reads a 16-bit PCM WAV file and mixes its channels to one. The data
// chunk is taken to run to the end of the file whatever length it states: a
// phone that is still recording has not written the true one yet.
func Decode(b []byte) (Sound, error) {
	if len(b) < riffHeaderBytes || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return Sound{}, errShort
	}
	var rate, channels int
	for b = b[riffHeaderBytes:]; len(b) >= chunkHeaderBytes; {
		name := string(b[:4])
		size := int(binary.LittleEndian.Uint32(b[4:]))
		b = b[chunkHeaderBytes:]
		switch {
		case name == "data" && rate > 0:
			return Sound{Rate: rate, Samples: mono(b, channels)}, nil
		case size > len(b):
			return Sound{}, errShort
		case name == "fmt ":
			var err error
			if rate, channels, err = format(b[:size]); err != nil {
				return Sound{}, err
			}
		}
		b = b[size:]
	}
	return Sound{}, errShort
}

// DecodeUnfinished reads mono 16-bit samples behind a header that the recorder
// fills in only when it closes the file; the caller knows the rate.
func DecodeUnfinished(b []byte, rate int) Sound {
	const header = riffHeaderBytes + 2*chunkHeaderBytes + formatBytes
	if len(b) < header {
		return Sound{}
	}
	return Sound{Rate: rate, Samples: mono(b[header:], 1)}
}

// Read decodes the WAV file at path, which may still be growing.
func Read(path string) (Sound, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Sound{}, err
	}
	s, err := Decode(b)
	if err != nil {
		return Sound{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Write stores s as a WAV file at path.
func Write(path string, s Sound) error {
	return os.WriteFile(path, Encode(s), 0o600)
}

func format(b []byte) (rate, channels int, err error) {
	if len(b) < formatBytes {
		return 0, 0, errShort
	}
	le := binary.LittleEndian
	tag, bits := le.Uint16(b), le.Uint16(b[14:])
	rate, channels = int(le.Uint32(b[4:])), int(le.Uint16(b[2:]))
	if (tag != pcmTag && tag != extensibleTag) || bits != 8*sampleBytes || rate == 0 || channels == 0 {
		return 0, 0, fmt.Errorf("sound of tag %d, %d bits, %d Hz, %d channels: only 16-bit PCM is read", tag, bits, rate, channels)
	}
	return rate, channels, nil
}

// mono averages interleaved channels; a last half frame is left out.
func mono(b []byte, channels int) []float64 {
	frame := channels * sampleBytes
	samples := make([]float64, len(b)/frame)
	for i := range samples {
		var sum float64
		for c := range channels {
			sum += float64(int16(binary.LittleEndian.Uint16(b[i*frame+c*sampleBytes:])))
		}
		samples[i] = sum / float64(channels) / fullScale
	}
	return samples
}
