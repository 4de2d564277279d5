//! The tape: what goes back, what is kept for it and when it is let go.

use std::sync::{Arc, Mutex, Weak};
use std::thread;

use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Error, Layout, Result, Shape, Tensor, Var,
};
use retake::autograd::{Value, backward, grad};
use retake::loss::gradient_penalty;
use retake::ops::{self, Activation, Conv, Padding};

use crate::ops::{compare_with_differences, gradients, normal, number, values, variables};

fn scalar(value: f64) -> Tensor {
    Tensor::new(value, &Device::Cpu).unwrap()
}

/// The derivatives of a scalar; consumes its graph.
fn derivatives<const N: usize>(y: Value, of: [&Value; N]) -> [Option<f64>; N] {
    let found = backward(y, &of).unwrap();
    let numbers: Vec<Option<f64>> = found
        .iter()
        .map(|gradient| gradient.as_ref().map(|gradient| values(gradient)[0]))
        .collect();
    numbers.try_into().unwrap()
}

#[test]
fn a_chain_of_100_000_operations_goes_back_and_is_dropped() {
    let work = || {
        let x = Value::variable(scalar(2.0));
        let chain = || {
            (0..100_000).fold(x.clone(), |y, step| {
                y.affine(if step % 2 == 0 { 2.0 } else { 0.5 }, 0.0)
                    .unwrap()
            })
        };
        assert_eq!(derivatives(chain(), [&x]), [Some(1.0)]);
        // Dropped as it is.
        drop(chain());
        // Dropped with a second graph as deep behind its gradient, which is x.
        let square = chain().sqr().unwrap().affine(0.5, 0.0).unwrap();
        let slope = grad(&square, &[&x]).unwrap().remove(0).unwrap();
        assert_eq!(number(&slope), 2.0);
        assert_eq!(derivatives(slope, [&x]), [Some(1.0)]);
        drop(square);
    };
    let small_stack = thread::Builder::new().stack_size(128 << 10);
    small_stack.spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_second_pass_through_a_consumed_graph_is_an_error() {
    let x = Value::variable(scalar(3.0));
    let square = x.sqr().unwrap();
    let twice = square.affine(2.0, 0.0).unwrap();
    assert_eq!(derivatives(twice, [&x]), [Some(12.0)]);
    let error = backward(square.sqr().unwrap(), &[&x]).unwrap_err();
    assert!(error.to_string().contains("was consumed"), "{error}");
    let error = grad(&square, &[&x]).unwrap_err();
    assert!(error.to_string().contains("was consumed"), "{error}");
    // What was computed anew is not concerned.
    assert_eq!(derivatives(x.sqr().unwrap(), [&x]), [Some(6.0)]);
}

#[test]
fn grad_leaves_the_graph_and_can_be_differentiated_again() {
    let x = Value::variable(scalar(2.0));
    let fourth = x.sqr().unwrap().sqr().unwrap();
    let mut derivative = fourth.clone();
    for expected in [32.0, 48.0, 48.0, 24.0] {
        derivative = grad(&derivative, &[&x]).unwrap().remove(0).unwrap();
        assert_eq!(number(&derivative), expected);
    }
    assert_eq!(derivatives(fourth, [&x]), [Some(32.0)]);
}

#[test]
fn a_value_used_twice_gets_the_sum() {
    let x = Value::variable(scalar(3.0));
    let y = Value::variable(scalar(5.0));
    assert_eq!(derivatives(x.mul(&x).unwrap(), [&x]), [Some(6.0)]);
    assert_eq!(derivatives(x.add(&x).unwrap(), [&x]), [Some(2.0)]);
    assert_eq!(derivatives(x.div(&x).unwrap(), [&x]), [Some(0.0)]);
    let product = x.mul(&y).unwrap();
    let sum = product.add(&x).unwrap().add(&product).unwrap();
    assert_eq!(
        derivatives(sum, [&x, &y, &x]),
        [Some(11.0), Some(6.0), Some(11.0)]
    );
}

#[test]
fn what_is_not_reached_has_no_gradient() {
    let x = Value::variable(scalar(3.0));
    let other = Value::variable(scalar(5.0));
    let constant = Value::constant(scalar(7.0));
    let y = x.mul(&constant).unwrap();
    let detached = y.detach().mul(&other).unwrap();
    let sum = y.add(&detached).unwrap();
    assert_eq!(
        derivatives(sum, [&x, &constant, &other]),
        [Some(7.0), None, Some(21.0)]
    );
    assert_eq!(derivatives(constant.sqr().unwrap(), [&x]), [None]);
    assert_eq!(derivatives(other.clone(), [&x, &other]), [None, Some(1.0)]);
}

#[test]
fn an_intermediate_result_can_be_asked_for() {
    let x = Value::variable(scalar(3.0));
    let square = x.sqr().unwrap();
    let y = square.sqr().unwrap();
    assert_eq!(derivatives(y, [&square, &x]), [Some(18.0), Some(108.0)]);
}

#[test]
fn only_a_scalar_has_a_gradient() {
    let x = Value::variable(normal("x", (2, 3), DType::F64));
    let error = grad(&x, &[&x]).unwrap_err().to_string();
    assert!(
        error.contains("this has shape [2, 3]: sum it first"),
        "{error}"
    );
}

/// The identity as an operation whose way back keeps `kept` and calls `visit`.
fn watched<K: Send + Sync + 'static>(
    x: &Value,
    kept: K,
    visit: impl Fn(&K) + Send + Sync + 'static,
) -> Value {
    Value::record(x.tensor().clone(), &[x], move |back| {
        visit(&kept);
        Ok(vec![Some(back.gradient().clone())])
    })
}

/// How many of the things that ten operations keep are alive whenever one of them goes back.
fn alive_on_the_way(pass: impl FnOnce(Value, &Value)) -> Vec<usize> {
    let x = Value::variable(scalar(1.0));
    let kept: Vec<Arc<()>> = (0..10).map(|_| Arc::new(())).collect();
    let watches: Arc<Vec<Weak<()>>> = Arc::new(kept.iter().map(Arc::downgrade).collect());
    let counts = Arc::new(Mutex::new(Vec::new()));
    let y = kept.into_iter().fold(x.clone(), |y, kept| {
        let (watches, counts) = (Arc::clone(&watches), Arc::clone(&counts));
        watched(&y, kept, move |_| {
            let alive = watches.iter().filter(|watch| watch.strong_count() > 0);
            counts.lock().unwrap().push(alive.count());
        })
    });
    pass(y, &x);
    assert!(watches.iter().all(|watch| watch.strong_count() == 0));
    let counts = counts.lock().unwrap();
    counts.clone()
}

#[test]
fn a_backward_pass_frees_what_it_has_used() {
    let freeing = alive_on_the_way(|y, x| assert!(backward(y, &[x]).unwrap()[0].is_some()));
    assert_eq!(freeing, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let keeping = alive_on_the_way(|y, x| assert!(grad(&y, &[x]).unwrap()[0].is_some()));
    assert_eq!(keeping, [10; 10]);
}

/// A tensor that holds on to a token: candle keeps the operation that made a tensor from its `Var`.
fn with_token(tensor: &Tensor) -> (Tensor, Weak<()>) {
    struct Token(#[expect(dead_code, reason = "its life is what counts")] Arc<()>);

    impl CustomOp1 for Token {
        fn name(&self) -> &'static str {
            "token"
        }

        fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
            Ok((x.clone(), layout.shape().clone()))
        }
    }

    let token = Arc::new(());
    let watch = Arc::downgrade(&token);
    let var = Var::from_tensor(tensor).unwrap();
    (var.apply_op1(Token(token)).unwrap(), watch)
}

#[test]
fn a_frozen_network_keeps_nothing_and_gets_no_gradients() {
    let conv = Conv::default();
    let w = Value::variable(normal("w", (3, 2, 3, 3), DType::F32));
    let convolve = |w: &Value| {
        let (x, watch) = with_token(&normal("x", (2, 2, 5, 5), DType::F32));
        let y = ops::conv2d(&Value::variable(x), w, None, &conv).unwrap();
        (y, watch)
    };
    // A weight's gradient needs the image, and nothing else does.
    let (y, image) = convolve(&w);
    assert!(image.upgrade().is_some());
    drop(y);
    assert!(image.upgrade().is_none());
    let (y, image) = convolve(&w.detach());
    assert!(image.upgrade().is_none());
    assert!(y.is_tracked());

    // Nobody asks a frozen argument's step for its gradient.
    let x = Value::variable(scalar(1.0));
    let frozen = Value::constant(scalar(2.0));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let y = Value::record(scalar(3.0), &[&x, &frozen, &w], move |back| {
        log.lock()
            .unwrap()
            .extend([0, 1, 2].map(|at| back.wants(at)));
        Ok(vec![Some(back.gradient().clone()), None, None])
    });
    assert_eq!(derivatives(y, [&x]), [Some(1.0)]);
    assert_eq!(*asked.lock().unwrap(), [true, false, false]);
}

#[test]
fn a_wrong_gradient_is_an_error() {
    let x = Value::variable(normal("x", 3, DType::F64));
    let y = Value::record(scalar(0.0), &[&x], |back| {
        Ok(vec![Some(back.gradient().clone())])
    });
    let error = backward(y, &[&x]).unwrap_err().to_string();
    assert!(
        error.contains("a gradient of shape [] for a value of shape [3]"),
        "{error}"
    );
}

#[test]
fn threads_share_a_variable_but_not_their_gradients() {
    let w = Value::variable(normal("w", (4, 3, 3, 3), DType::F64));
    let gradient = |number: usize| {
        let x = normal(&format!("x {number}"), (2, 3, 6, 5), DType::F64).into();
        let y = ops::conv2d(&x, &w, None, &Conv::default()).unwrap();
        let loss = ops::tanh(&y).unwrap().sum_all().unwrap();
        values(backward(loss, &[&w]).unwrap()[0].as_ref().unwrap())
    };
    let one_by_one: Vec<Vec<f64>> = (0..8).map(gradient).collect();
    let at_once: Vec<Vec<f64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || gradient(number)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(one_by_one == at_once);
}

/// The gradient penalty of a small critic with these weights: of two convolutions, of a batch norm where there are
/// four, and of a linear layer. (What only shifts a piecewise linear function leaves its slopes alone.)
fn penalty(weights: &[Value]) -> Value {
    let conv = Conv {
        stride: (2, 1),
        padding: Padding::symmetric(1, 1),
        groups: 1,
    };
    let critic = |x: &Value| -> Result<Value> {
        let (first, rest) = weights.split_first().unwrap();
        let (head, rest) = rest.split_last().unwrap();
        let h = ops::leaky_relu(&ops::conv2d(x, first, None, &conv)?, 0.2)?;
        let h = ops::conv2d(&h, &rest[0], None, &conv)?;
        let h = match rest {
            [_, gamma] => {
                let beta = normal("beta", 4, DType::F64).into();
                ops::batch_norm_train(&h, gamma, &beta, 1e-5, Activation::Identity)?.0
            }
            _ => h,
        };
        ops::linear(&ops::leaky_relu(&h, 0.2)?.flatten_rows()?, head, None)
    };
    let real = normal("real", (3, 2, 5, 4), DType::F64);
    let fake = normal("fake", (3, 2, 5, 4), DType::F64);
    gradient_penalty::<Error>(&real, &fake, &[0.25, 0.5, 0.875], critic).unwrap()
}

fn check_penalty(weights: &[Tensor]) {
    let tracked = variables(weights);
    let gradients = gradients(penalty(&tracked), &tracked);
    for gradient in &gradients {
        assert!(values(gradient).iter().any(|value| value.abs() > 1e-3));
    }
    compare_with_differences(weights, &gradients, 1e-5, |weights| {
        number(&penalty(&variables(weights)))
    });
}

#[test]
fn every_weight_of_a_critic_gets_a_penalty_gradient_on_any_thread() {
    let check = || {
        let plain = [
            normal("first", (3, 2, 3, 3), DType::F64),
            normal("second", (4, 3, 3, 2), DType::F64),
            normal("head", (1, 4 * 2 * 5), DType::F64),
        ];
        check_penalty(&plain);
        let [first, second, head] = plain;
        check_penalty(&[first, second, normal("gamma", 4, DType::F64), head]);
    };
    check();
    thread::spawn(check).join().unwrap();
}
