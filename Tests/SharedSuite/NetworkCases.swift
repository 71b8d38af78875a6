// TCP between two stacks: what one end sends the other receives, whatever the link does to the frames.

import NetworkEngine
import Platform

func networkCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: a stream arrives whole over a good link") { context throws(EngineError) in
            let world = NetworkWorld()
            guard let (client, server) = try world.connect(context) else { return }
            let flow = StreamFlow(world, from: 0, client, server, total: 4 << 20)
            _ = flow.finish(context)
            context.expectEqual(world.hosts[0].stack.statistics.retransmittedSegments, 0, "segments sent again")
        },
        SuiteCase(bare: "network: a stream arrives whole over a link that loses, doubles and reorders") {
            context throws(EngineError) in
            for seed in 1...8 as ClosedRange<UInt64> {
                var options = LinkOptions()
                options.seed = seed
                options.lostOf10000 = Int(seed) * 100
                options.doubledOf10000 = 100
                options.lateOf10000 = 200
                let world = NetworkWorld(options)
                guard let (client, server) = try world.connect(context) else { return }
                let up = StreamFlow(world, from: 0, client, server, total: 1 << 20)
                let down = StreamFlow(world, from: 1, server, client, total: 1 << 20, tag: 200)
                _ = world.run(.seconds(3600)) {
                    let isUp = up.advance()
                    return down.advance() && isUp
                }
                if !up.finish(context) || !down.finish(context) { context.fail("with seed \(seed)") }
            }
        },
    ]
}
